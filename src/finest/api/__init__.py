"""The functions that `import finest` offers: `pages` judges single pages, `datasets` makes and checks datasets."""
