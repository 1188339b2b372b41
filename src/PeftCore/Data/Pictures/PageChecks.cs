namespace PeftCore.Data;

/// <summary>Checks that rows of words have what a model reads of a page: boxes within its tables, and a picture for all pages or
/// none.</summary>
/// <param name="pictures">What the model reads; null for a model that reads no pages.</param>
internal sealed class PageChecks(PictureReader? pictures)
{
    /// <summary>The largest coordinate that the model reads; 0 without boxes.</summary>
    public int LargestCoordinate { get; } = pictures?.LargestCoordinate ?? 0;

    /// <summary>Checks a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="first">The first row of the data.</param>
    /// <exception cref="BadInputException">The row does not fit the model, or the first row.</exception>
    public void Check(TokensRow row, DataRow first)
    {
        bool reads = pictures is { ReadsBoxes: true };
        if (reads != row.Boxes is not null)
        {
            throw row.Place.Error(reads
                ? $"the row has {RowForm.NameOf(row)}, expected {{\"words\", \"boxes\", \"tags\"}}: this model reads where words are on a page"
                : "the row has \"boxes\", but this model does not read where words are on a page; use LayoutLM, or drop them");
        }
        for (int i = 0; i < row.Boxes?.Count; i++)
        {
            if (row.Boxes[i].AsSpan().ContainsAnyExceptInRange(0, LargestCoordinate))
            {
                throw row.Place.Error($"the box [{string.Join(", ", row.Boxes[i])}] of \"{row.Tokens[i]}\" has a coordinate above " +
                    $"{LargestCoordinate}, the largest that this model has a row for (max_2d_position_embeddings); scale the boxes down");
            }
        }
        if (pictures is { ReadsPixels: true } && first is TokensRow other && row.File is null != other.File is null)
        {
            throw row.Place.Error($"the page has {(row.File is null ? "no" : "an")} \"image\", but that of {first.Place.Unit} " +
                $"{first.Place.Line} has {(row.File is null ? "one" : "none")}; give every page its picture, or none");
        }
    }
}
