#!/usr/bin/env nurse
kill "getuid"
include "base"
