"""The study of Klingner 2020: does depth learnt from video make segmentation robust?"""
