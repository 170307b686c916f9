-- Nothing is asked and nothing refused: what still fails is refused by nurse's own keystone rules.
default "allow"
