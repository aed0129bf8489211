"""The functions of `import finest`: `pages` judges single pages, `datasets` makes and checks datasets."""
