#!/bin/sh
CMOCKA_MESSAGE_OUTPUT=TAP exec timeout 30 "${BUILD:-build}/t/unit-abi"
