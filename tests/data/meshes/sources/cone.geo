SetFactory("OpenCASCADE"); Cone(1)={0,0,0,0,0,30,12,3}; Mesh.CharacteristicLengthMax=2.5;
