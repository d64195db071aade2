# Makes the ROS packages that come as PyPI wheels usable from CMake; no effect where ROS is installed.
#
# Two things at which CMake would refuse to generate are repaired at the end of CMakeLists.txt:
# * targets exported by the wheels name include folders of the machine that built them;
# * a virtual environment below the source tree puts folders of that tree (those of NumPy) into
#   what our own targets export.
function(_repair_include_folders)
  get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  get_property(built DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS imported built)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(repaired "")
    foreach(folder IN LISTS folders)
      string(FIND "${folder}" "${CMAKE_SOURCE_DIR}/" below_source)
      if(folder MATCHES "\\$<")
        list(APPEND repaired "${folder}")
      elseif(target IN_LIST built AND below_source EQUAL 0)
        list(APPEND repaired "$<BUILD_INTERFACE:${folder}>")
      elseif(target IN_LIST built OR EXISTS "${folder}")
        list(APPEND repaired "${folder}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${repaired}")
  endforeach()
endfunction()

cmake_language(DEFER CALL _repair_include_folders)
