#!/bin/sh
CMOCKA_MESSAGE_OUTPUT=TAP exec timeout 60 "${BUILD:-build}/t/unit-json"
