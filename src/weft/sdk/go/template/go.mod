module function

go 1.24

require weft v0.0.0

replace weft => ./weft
