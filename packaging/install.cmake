# What cmake --install writes: the program, libgradmill with its header, a CMake package and a pkg-config file, manual page,
# completion scripts, examples. Only gm_* leaves the library; the layers' own headers and archives are not installed.
# All files find each other from where they lie, so a prefix can be given at install time and moved later.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# ---- the library -------------------------------------------------------------------------------------------------------

option(BUILD_SHARED_LIBS "libgradmill is a shared library; OFF: an archive, whose users link LLVM and libomp themselves" ON)
find_library(LLVM_LIB NAMES LLVM LLVM-19 HINTS ${LLVM_LIBRARY_DIRS} REQUIRED)
if(BUILD_SHARED_LIBS)
	file(GLOB API_SRC CONFIGURE_DEPENDS compiler/api/*.c)
	add_library(libgradmill SHARED ${API_SRC})
	target_link_libraries(libgradmill PRIVATE gm_cc)
	target_link_options(libgradmill PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/compiler/api/gradmill.map)
	if(NOT GM_SANITIZE) # a sanitizer's symbols come with the program
		target_link_options(libgradmill PRIVATE -Wl,--no-undefined)
	endif()
	set_target_properties(libgradmill PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/compiler/api/gradmill.map)
else()
	add_library(libgradmill STATIC $<TARGET_OBJECTS:gm_cc> $<TARGET_OBJECTS:gm_rt> $<TARGET_OBJECTS:gm_ir>)
	target_link_libraries(libgradmill PUBLIC ${LLVM_LIB} ${OMP_LIB} ${XXHASH_LIB} m)
endif()
set_target_properties(libgradmill PROPERTIES OUTPUT_NAME gradmill EXPORT_NAME gradmill VERSION ${PROJECT_VERSION}
	SOVERSION ${PROJECT_VERSION_MAJOR})
target_include_directories(libgradmill INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS libgradmill EXPORT gradmill)
install(FILES compiler/api/gradmill.h TYPE INCLUDE)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradmill)
install(EXPORT gradmill NAMESPACE gradmill:: DESTINATION ${package_dir} FILE gradmill-config.cmake)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gradmill-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/gradmill-config-version.cmake DESTINATION ${package_dir})

if(NOT BUILD_SHARED_LIBS)
	set(static_libs " ${LLVM_LIB} ${OMP_LIB} ${XXHASH_LIB} -lm")
endif()
file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(packaging/gradmill.pc.in gradmill.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/gradmill.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- the program and what it says about itself -------------------------------------------------------------------------

install(TARGETS gradmill)
foreach(page "gradmill.1 help --man" "gradmill.bash completion bash" "gradmill.zsh completion zsh" "gradmill.fish completion fish")
	separate_arguments(page)
	list(POP_FRONT page file)
	add_custom_command(OUTPUT ${file} DEPENDS gradmill COMMAND gradmill ${page} >${file})
	list(APPEND pages ${file})
endforeach()
add_custom_target(pages ALL DEPENDS ${pages})
install(FILES ${CMAKE_BINARY_DIR}/gradmill.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_BINARY_DIR}/gradmill.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME gradmill)
install(FILES ${CMAKE_BINARY_DIR}/gradmill.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _gradmill)
install(FILES ${CMAKE_BINARY_DIR}/gradmill.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

file(GLOB examples CONFIGURE_DEPENDS examples/*.gm examples/*.c examples/*.sql)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
