# Makes the ROS packages that come as PyPI wheels usable from CMake; ROS installations do not need it.
#
# Pass this file as CMAKE_PROJECT_INCLUDE. Once the project's own CMakeLists.txt has been read, it
# repairs two things at which CMake would refuse to generate:
# * targets exported by the wheels name include folders of the machine that built them;
# * a virtual environment below the source tree puts folders of that tree (those of NumPy) into
#   what our own targets export.
if(COMMAND _pypi_ros_repair_includes)
  return()
endif()

function(_pypi_ros_repair_includes)
  get_property(imported DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
  get_property(built DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTY BUILDSYSTEM_TARGETS)
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

cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL _pypi_ros_repair_includes)
