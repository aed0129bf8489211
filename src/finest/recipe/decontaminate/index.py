from dataclasses import dataclass
import numpy as np
MOST_ITEMS_PER_NGRAM=16
@dataclass
class Index:
    n:int
    sets:tuple
    hashes:np.ndarray
    firsts:np.ndarray
    items:np.ndarray
    ordinals:np.ndarray
    item_sets:np.ndarray
    item_numbers:np.ndarray
    item_ngrams:np.ndarray
