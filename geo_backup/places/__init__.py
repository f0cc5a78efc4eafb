"""Places: where is it? A text becomes places on the map, and a place on the map gets a name.

It reads the file of places in a map's folder (`store`), which `map build` writes from what a source says (`facts`,
`register`, `streets`). The core knows nothing of it: a place's name enters the log as a value of a fact.

- `gazetteer`    one map's places, to be asked
- `find`         words to places; `question` how a text can be read, `matching` which names it may mean
- `coordinates`  degrees, plus codes, MGRS and UTM
- `naming`       a place to words
- `words`        what people shorten, by language (`words.toml`); `folding` the one spelling of everything
"""

from geo_backup.places.found import Answer, Found
from geo_backup.places.gazetteer import MOST_FOUND, Gazetteer
from geo_backup.places.naming import Named

__all__ = ["MOST_FOUND", "Answer", "Found", "Gazetteer", "Named"]
