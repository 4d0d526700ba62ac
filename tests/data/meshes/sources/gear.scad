$fn=40; difference(){linear_extrude(6,twist=15,slices=12)union(){circle(16);for(i=[0:17])rotate(i*20)translate([15,-2])square([5,4]);}translate([0,0,-1])cylinder(d=8,h=9);}
