namespace PeftCore.Cli.Session;

/// <summary>One component of a JPEG picture, at the resolution at which it is stored.</summary>
/// <param name="rows">Rows of samples; each may be longer than <paramref name="width"/>, since blocks have 8 × 8 samples.</param>
/// <param name="width">Samples of a row that belong to the picture.</param>
/// <param name="height">Rows that belong to the picture.</param>
internal sealed class JpegPlane(byte[][] rows, int width, int height)
{
    // libjpeg replicates the samples of narrower components.
    private const int LeastFancyWidth = 3;

    /// <summary>One row of the picture at full resolution, as libjpeg-turbo's "fancy upsampling" makes it: where a component has half the
    /// resolution, a new sample is 3/4 of the nearer stored one and 1/4 of the further one, in each direction; otherwise the
    /// nearest.</summary>
    /// <param name="y">The row.</param>
    /// <param name="across">Columns of the picture for each stored column.</param>
    /// <param name="down">Rows of the picture for each stored row.</param>
    /// <param name="target">Gets <paramref name="across"/> × width samples.</param>
    public void Upsample(int y, int across, int down, Span<byte> target)
    {
        var near = rows[y / down].AsSpan(0, width);
        // The row above or below that is nearest; the first and the last row are repeated beyond the picture.
        var far = rows[Math.Clamp(y / down + (y % down == 0 ? -1 : 1), 0, height - 1)].AsSpan(0, width);
        switch ((across, down))
        {
            case (1, 1):
                near.CopyTo(target);
                break;
            case (2, 1) when width >= LeastFancyWidth:
                Across(near, target);
                break;
            case (2, 2) when width >= LeastFancyWidth:
                AcrossAndDown(near, far, target);
                break;
            case (1, 2):
                int rounding = y % down == 0 ? 1 : 2;
                for (int i = 0; i < width; i++)
                {
                    target[i] = (byte)((3 * near[i] + far[i] + rounding) >> 2);
                }
                break;
            default:
                for (int i = 0; i < width * across; i++)
                {
                    target[i] = near[i / across];
                }
                break;
        }
    }

    private static void Across(ReadOnlySpan<byte> row, Span<byte> target)
    {
        int last = row.Length - 1;
        for (int i = 0; i <= last; i++)
        {
            target[2 * i] = (byte)(i == 0 ? row[0] : (3 * row[i] + row[i - 1] + 1) >> 2);
            target[2 * i + 1] = (byte)(i == last ? row[last] : (3 * row[i] + row[i + 1] + 2) >> 2);
        }
    }

    private static void AcrossAndDown(ReadOnlySpan<byte> near, ReadOnlySpan<byte> far, Span<byte> target)
    {
        int last = near.Length - 1, before = 3 * near[0] + far[0], here = before;
        for (int i = 0; i <= last; i++)
        {
            int after = i == last ? here : 3 * near[i + 1] + far[i + 1];
            target[2 * i] = (byte)((3 * here + before + 8) >> 4);
            target[2 * i + 1] = (byte)((3 * here + after + 7) >> 4);
            (before, here) = (here, after);
        }
    }
}
