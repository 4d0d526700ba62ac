"""Example answers of the stl category, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from orfeas.routes.examples import COMPATIBLE_JOB_ID, MODEL_ASSET_ID

BOX = {"min": [0.0, 0.0, 0.0], "max": [60.0, 40.0, 25.0], "size": [60.0, 40.0, 25.0]}
ANALYSIS: dict[str, Any] = {
    "is_watertight": True,
    "is_manifold": True,
    "vertex_count": 1024,
    "face_count": 2044,
    "edge_count": 3066,
    "body_count": 1,
    "euler_number": 2,
    "genus": 0,
    "holes_count": 0,
    "boundary_edges": 0,
    "non_manifold_edges": 0,
    "inverted_faces": 0,
    "duplicate_faces": 0,
    "degenerate_faces": 0,
    "self_intersections": 0,
    "volume": 18250.4,
    "surface_area": 7312.9,
    "center_of_mass": [30.0, 20.0, 9.1],
    "bounding_box": BOX,
    "wall_thickness": {
        "min_mm": 3.0, "p5_mm": 3.2, "median_mm": 4.0, "thin_share": 0.0, "samples": 2000, "seed": 0,
    },
    "overhang_area": 212.0,
    "overhang_share": 0.029,
    "quality_score": 100.0,
    "printability_score": 100.0,
    "printability": {"status": "healthy", "problems": []},
    "recommended_actions": [],
    "processing_time": 0.084,
}  # fmt: skip
ANALYZED = {
    "success": True,
    "job_id": COMPATIBLE_JOB_ID,
    "analysis": ANALYSIS,
    "triangle_count": 2044,
    "surface_area": 7312.9,
    "volume": 18250.4,
    "bounds": BOX,
    "manifold": True,
    "watertight": True,
}
STARTED = {"job_id": COMPATIBLE_JOB_ID, "status": "processing"}


def _filed(prefix: str, **report: Any) -> dict[str, Any]:
    name = f"{prefix}_bracket.stl"
    return {
        "success": True,
        "job_id": COMPATIBLE_JOB_ID,
        "output_file": name,
        "download_url": f"/api/download/{COMPATIBLE_JOB_ID}/{name}",
        "asset_id": MODEL_ASSET_ID,
        **report,
    }


REPAIR = {
    "operations": [{"name": "fill_holes", "count": 1, "detail": "1 hole was filled."}],
    "is_watertight": True,
    "volume_change": None,
    "max_deviation_mm": 0.0,
    "mean_deviation_mm": 0.0,
    "processing_time": 0.031,
}
REPAIRED = _filed(
    "repaired",
    repair_report={
        **REPAIR, "initial_quality": 70.0, "final_quality": 100.0, "improvement": 30.0,
        "before": {**ANALYSIS, "is_watertight": False, "holes_count": 1}, "after": ANALYSIS,
    },
)  # fmt: skip
SIMPLIFIED = _filed(
    "simplified",
    simplification_report={
        "method": "quadric_decimation",
        "initial_faces": 2044,
        "target_faces": 500,
        "final_faces": 500,
        "reduction_achieved": 0.755382,
        "quality_preserved": 99.8,
        "volume_change": -0.002,
        "max_deviation_mm": 0.21,
        "mean_deviation_mm": 0.03,
        "is_watertight": True,
        "processing_time": 0.022,
    },
)
OPTIMIZED = _filed(
    "optimized",
    optimization_report={
        "input_file": "bracket.stl",
        "output_file": "optimized_bracket.stl",
        "success": True,
        "stages": {
            "initial_analysis": ANALYSIS,
            "auto_repair": {**REPAIR, "operations": []},
            "print_optimization": {
                "printer": "halot-x1",
                "operations": [{"name": "orient", "goal": "overhang"}, {"name": "place_on_bed"}],
                "up_axis": "z",
                "final_size_mm": [60.0, 40.0, 25.0],
                "orientation": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                "layers": 500,
                "estimated_print_time_hours": 1.111,
                "estimated_resin_ml": 18.25,
                "estimated_filament_g": None,
                "supports_needed": False,
                "support_area_mm2": 0.0,
                "processing_time": 0.06,
            },
            "final_analysis": ANALYSIS,
        },
        "total_processing_time": 0.29,
    },
)
