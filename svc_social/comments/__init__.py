"""Comments: threads in which nothing is seen before what it answers, with moderation, likes and three orders; the texts sealed for their authors."""
