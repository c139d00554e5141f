"""What COCO's annotators wrote about NSD's pictures: captions, objects, persons.

    files = annotation_files(place, "instances")            in a folder, or in annotations_trainval2017.zip
    caption_table(images, files)                            one row per picture
    object_table(images, files), person_table(images, files)        one row per annotation
    content_table(objects, persons, n_images)               one row per picture: counts, animate, is_person
    category_counts, supercategory_counts, body_parts       (n_images, n) vectors of a picture, zeros where nothing is annotated

source.py reads COCO's files, crop.py knows that NSD shows square crops, the others are named after their tables. Where NSD keeps
the tables: convergence.datasets.nsd.coco_tables.
"""

from convergence.datasets.annotations.captions import caption_files, caption_table, first_caption
from convergence.datasets.annotations.content import content_labels, content_table
from convergence.datasets.annotations.objects import category_counts, object_table, supercategory_counts
from convergence.datasets.annotations.persons import body_parts, person_table
from convergence.datasets.annotations.source import annotation_files, files_on_disk

__all__ = ["annotation_files", "body_parts", "caption_files", "caption_table", "category_counts", "content_labels",
           "content_table", "files_on_disk", "first_caption", "object_table", "person_table", "supercategory_counts"]
