import bpy, math, os
out=os.getcwd()
def clear():
    bpy.ops.wm.read_factory_settings(use_empty=True)
def mat(name,color,metal=0,rough=.5,alpha=1):
    m=bpy.data.materials.new(name); m.use_nodes=True; b=m.node_tree.nodes["Principled BSDF"]; b.inputs["Base Color"].default_value=(*color,1); b.inputs["Metallic"].default_value=metal; b.inputs["Roughness"].default_value=rough; b.inputs["Alpha"].default_value=alpha
    if alpha<1: m.blend_method="BLEND"
    return m
# robot: several parts, parented, rotated, coloured
clear()
bpy.ops.mesh.primitive_cube_add(size=.04,location=(0,0,.05)); body=bpy.context.object; body.name="body"; body.data.materials.append(mat("red",(.8,.1,.1)))
bpy.ops.mesh.primitive_uv_sphere_add(radius=.015,segments=24,ring_count=12,location=(0,0,.085)); head=bpy.context.object; head.name="head"; head.data.materials.append(mat("steel",(.6,.6,.6),1,.2)); head.parent=body; head.matrix_parent_inverse=body.matrix_world.inverted()
for s in (-1,1):
    bpy.ops.mesh.primitive_cylinder_add(radius=.006,depth=.03,vertices=20,location=(s*.012,0,.015),rotation=(0,s*.2,0)); o=bpy.context.object; o.name="leg"; o.data.materials.append(mat("glass",(.4,.6,1),0,.1,.5))
bpy.ops.export_scene.gltf(filepath=out+"/blender_robot.glb",export_format="GLB")
bpy.ops.export_scene.gltf(filepath=out+"/blender_robot.gltf",export_format="GLTF_EMBEDDED")
bpy.ops.wm.collada_export(filepath=out+"/blender_robot.dae")
bpy.ops.export_scene.obj(filepath=out+"/blender_robot.obj")
# metaballs, organic
clear()
bpy.ops.object.metaball_add(type="BALL",radius=10); 
for i in range(5):
    bpy.ops.object.metaball_add(type="BALL",radius=6,location=(8*math.cos(i*1.25),8*math.sin(i*1.25),i*3))
for o in bpy.data.objects: o.data.resolution=1.4
bpy.context.view_layer.update(); bpy.ops.object.select_all(action="SELECT"); bpy.context.view_layer.objects.active=bpy.data.objects[0]; bpy.ops.object.convert(target="MESH")
for o in list(bpy.data.objects):
    o.select_set(True)
bpy.ops.export_mesh.stl(filepath=out+"/blender_blob.stl"); bpy.ops.export_mesh.stl(filepath=out+"/blender_blob_ascii.stl",ascii=True) if False else None
# vertex colours ply
clear()
bpy.ops.mesh.primitive_torus_add(major_radius=20,minor_radius=6,major_segments=40,minor_segments=16); o=bpy.context.object
a=o.data.vertex_colors.new(name="Col")
for l in o.data.loops:
    v=o.data.vertices[l.vertex_index].co; a.data[l.index].color=(v.x/52+.5,v.y/52+.5,v.z/12+.5,1)
bpy.ops.export_mesh.ply(filepath=out+"/blender_torus_colours.ply",use_ascii=False); bpy.ops.export_mesh.ply(filepath=out+"/blender_torus_colours_ascii.ply",use_ascii=True)
# open: plane with hole and a displaced grid, non manifold
clear()
bpy.ops.mesh.primitive_grid_add(x_subdivisions=30,y_subdivisions=30,size=50); o=bpy.context.object
for v in o.data.vertices: v.co.z=3*math.sin(v.co.x/6)*math.cos(v.co.y/7)
bpy.ops.mesh.primitive_cube_add(size=20,location=(0,0,5)); bpy.ops.mesh.primitive_cube_add(size=20,location=(10,10,10))
bpy.ops.object.select_all(action="SELECT"); bpy.ops.object.join()
bpy.ops.export_scene.obj(filepath=out+"/blender_terrain_crossing.obj",use_materials=False)
# textured
clear()
img=bpy.data.images.new("checker",64,64); px=[]
for y in range(64):
    for x in range(64): px+= [1,.5,0,1] if (x//8+y//8)%2 else [0,.2,.6,1]
img.pixels=px; img.pack()
bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=3,radius=.05); o=bpy.context.object
bpy.ops.object.mode_set(mode="EDIT"); bpy.ops.uv.sphere_project() if False else bpy.ops.uv.smart_project(); bpy.ops.object.mode_set(mode="OBJECT")
m=mat("checker",(1,1,1)); t=m.node_tree.nodes.new("ShaderNodeTexImage"); t.image=img; m.node_tree.links.new(t.outputs[0],m.node_tree.nodes["Principled BSDF"].inputs["Base Color"]); o.data.materials.append(m)
bpy.ops.export_scene.gltf(filepath=out+"/blender_checker.glb",export_format="GLB")
