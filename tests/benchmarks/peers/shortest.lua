-- OSRM's car profile with metres for weights: what then differs is the map, not the speeds.
local car = require('car')
local setup = car.setup
car.setup = function()
  local profile = setup()
  profile.properties.weight_name = 'distance'
  return profile
end
return car
