# The three ways a room declares a target; all flags live here.
find_package(PkgConfig REQUIRED)

add_library(celeriac_flags INTERFACE)
target_include_directories(celeriac_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_features(celeriac_flags INTERFACE c_std_17)
target_compile_definitions(celeriac_flags INTERFACE _GNU_SOURCE)
target_compile_options(celeriac_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow
    -fno-strict-aliasing -fstack-protector-strong)
if(CELERIAC_WERROR)
    target_compile_options(celeriac_flags INTERFACE -Werror)
endif()
if(CELERIAC_SANITIZE)
    target_compile_options(celeriac_flags INTERFACE -fsanitize=address,undefined
        -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(celeriac_flags INTERFACE -fsanitize=address,undefined)
endif()
if(CELERIAC_COVERAGE)
    target_compile_options(celeriac_flags INTERFACE --coverage)
    target_link_options(celeriac_flags INTERFACE --coverage)
endif()
if(CELERIAC_FUZZ)
    # Every room is instrumented; only the fuzz targets link the fuzzer's main.
    target_compile_options(celeriac_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# celeriac_pkg(TARGET PKG-CONFIG-NAME): an imported target from pkg-config.
function(celeriac_pkg target name)
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET GLOBAL ${name})
endfunction()

# celeriac_room(NAME SOURCES ... LIBS ...): the static library of a room.
function(celeriac_room name)
    cmake_parse_arguments(ROOM "" "" "SOURCES;LIBS" ${ARGN})
    add_library(celeriac_${name} STATIC ${ROOM_SOURCES})
    target_link_libraries(celeriac_${name} PUBLIC celeriac_flags ${ROOM_LIBS})
endfunction()

# celeriac_program(NAME SOURCES ... LIBS ...): an installed program; it lands in the build folder's root.
function(celeriac_program name)
    cmake_parse_arguments(PROGRAM "" "" "SOURCES;LIBS" ${ARGN})
    add_executable(${name} ${PROGRAM_SOURCES})
    target_link_libraries(${name} PRIVATE celeriac_flags ${PROGRAM_LIBS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

# celeriac_add_test(ROOM/test_FILE LIBS ... [SOURCES ...] [TIMEOUT seconds]): tests/ROOM/test_FILE.c as one cmocka program.
function(celeriac_add_test path)
    cmake_parse_arguments(TEST "" "TIMEOUT" "LIBS;SOURCES" ${ARGN})
    if(NOT TARGET PkgConfig::CMOCKA)
        celeriac_pkg(CMOCKA cmocka)
    endif()
    if(NOT TEST_TIMEOUT)
        set(TEST_TIMEOUT 30)
    endif()
    string(REPLACE "/" "_" target ${path})
    add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/${path}.c ${TEST_SOURCES})
    target_link_libraries(${target} PRIVATE celeriac_flags ${TEST_LIBS} PkgConfig::CMOCKA)
    add_test(NAME ${path} COMMAND ${target})
    set_tests_properties(${path} PROPERTIES TIMEOUT ${TEST_TIMEOUT})
endfunction()

# celeriac_add_fuzz(NAME LIBS ...): tests/fuzz/fuzz_NAME.c. With CELERIAC_FUZZ a libFuzzer program fuzz_NAME; always a
# test that replays tests/fuzz/corpus/NAME through the same function.
function(celeriac_add_fuzz name)
    cmake_parse_arguments(FUZZ "" "" "LIBS" ${ARGN})
    set(source ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c)
    if(CELERIAC_FUZZ)
        add_executable(fuzz_${name} ${source})
        target_link_libraries(fuzz_${name} PRIVATE celeriac_flags ${FUZZ_LIBS})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        set_target_properties(fuzz_${name} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/fuzz)
    else()
        add_executable(replay_${name} ${source} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
        target_link_libraries(replay_${name} PRIVATE celeriac_flags ${FUZZ_LIBS})
        add_test(NAME fuzz/replay_${name}
            COMMAND replay_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
        set_tests_properties(fuzz/replay_${name} PROPERTIES TIMEOUT 60)
    endif()
endfunction()
