$fn=32; translate([-20,0,0])sphere(10); translate([20,0,0])difference(){cube(20,center=true);cube(16,center=true);}
