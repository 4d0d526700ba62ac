import FreeCAD, Part, Mesh, MeshPart
from FreeCAD import Base
b=Part.makeBox(30,20,10); b=b.makeFillet(2,b.Edges); c=b.cut(Part.makeCylinder(5,20,Base.Vector(15,10,-5)))
m=MeshPart.meshFromShape(Shape=c,LinearDeflection=0.1,AngularDeflection=0.5)
for e in ("obj","ply","3mf","stl","off"): m.write("freecad_block."+e)
t=Part.makeHelix(6,30,8); 
p=Part.makeTorus(12,4).fuse(Part.makeCone(6,0,25)); m=MeshPart.meshFromShape(Shape=p,LinearDeflection=0.2,AngularDeflection=0.5)
