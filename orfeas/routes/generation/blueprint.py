"""The blueprint that the modules of this category fill."""

from flask_smorest import Blueprint

blp = Blueprint("generation", __name__, description="Pictures in, models out: uploads, generations, files, batches.")
