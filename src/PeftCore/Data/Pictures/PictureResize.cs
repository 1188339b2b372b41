namespace PeftCore.Data;

/// <summary>How pixels between the given ones are found, by Pillow's numbers.</summary>
internal enum ResizeFilter
{
    /// <summary>Linear between neighbours.</summary>
    Bilinear = 2,

    /// <summary>Cubic through neighbours (Keys 1981, a = −1/2).</summary>
    Bicubic = 3,
}

/// <summary>Resizes pictures as Pillow does, to the last bit: a weighted mean of the pixels below each new one, first along rows, then
/// along columns. Where a picture shrinks, the filter widens with it, so that no pixel is passed over (antialiasing). Weights are whole
/// numbers of 2⁻²², and pixels are rounded to 8 bits after each of both passes.</summary>
internal static class PictureResize
{
    private const int FractionBits = 22;

    /// <summary>Resizes a picture.</summary>
    public static Picture Resize(Picture picture, int height, int width, ResizeFilter filter)
    {
        var (pixels, channels) = (picture.Pixels, Picture.Channels);
        if (width != picture.Width)
        {
            byte[] wide = new byte[picture.Height * width * channels];
            Pass(pixels, wide, Weights.Of(picture.Width, width, filter), rows: picture.Height, rowBytes: picture.Width * channels,
                newRowBytes: width * channels, step: channels, values: channels);
            pixels = wide;
        }
        if (height != picture.Height)
        {
            // All values of a row share its weights, so a picture is one row of pixels with as many channels as a row has bytes.
            byte[] high = new byte[height * width * channels];
            Pass(pixels, high, Weights.Of(picture.Height, height, filter), rows: 1, rowBytes: 0, newRowBytes: 0, step: width * channels,
                values: width * channels);
            pixels = high;
        }
        return new Picture(pixels, height, width);
    }

    /// <summary>y[i] = Σ_j w[i, j]·x[first[i] + j] for every row and each of the values of a pixel.</summary>
    private static void Pass(byte[] x, byte[] y, Weights weights, int rows, int rowBytes, int newRowBytes, int step, int values)
    {
        int[] sums = new int[values];
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < weights.Firsts.Length; i++)
            {
                Array.Fill(sums, 1 << (FractionBits - 1)); // One half, so that the shift rounds.
                int[] w = weights.Values[i];
                for (int j = 0; j < w.Length; j++)
                {
                    var pixel = x.AsSpan(row * rowBytes + (weights.Firsts[i] + j) * step, values);
                    for (int v = 0; v < pixel.Length; v++)
                    {
                        sums[v] += pixel[v] * w[j];
                    }
                }
                var target = y.AsSpan(row * newRowBytes + i * step, values);
                for (int v = 0; v < target.Length; v++)
                {
                    target[v] = (byte)Math.Clamp(sums[v] >> FractionBits, 0, byte.MaxValue);
                }
            }
        }
    }

    /// <summary>The weights of the old pixels in each new one.</summary>
    /// <param name="Firsts">The first old pixel of each new one.</param>
    /// <param name="Values">The weights of it and those after it, in units of 2⁻²²; they add up to one.</param>
    private sealed record Weights(int[] Firsts, int[][] Values)
    {
        public static Weights Of(int from, int to, ResizeFilter filter)
        {
            double scale = (double)from / to, widening = Math.Max(1, scale);
            double reach = (filter == ResizeFilter.Bicubic ? 2 : 1) * widening;
            var (firsts, values) = (new int[to], new int[to][]);
            for (int i = 0; i < to; i++)
            {
                double center = (i + 0.5) * scale;
                int first = Math.Max(0, (int)(center - reach + 0.5)), end = Math.Min(from, (int)(center + reach + 0.5));
                double[] weights = new double[end - first];
                double sum = 0;
                for (int j = 0; j < weights.Length; j++)
                {
                    weights[j] = Weight(filter, (first + j - center + 0.5) / widening);
                    sum += weights[j];
                }
                firsts[i] = first;
                values[i] = Array.ConvertAll(weights, weight =>
                    (int)Math.Round(weight / sum * (1 << FractionBits), MidpointRounding.AwayFromZero));
            }
            return new Weights(firsts, values);
        }
    }

    private static double Weight(ResizeFilter filter, double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        return filter == ResizeFilter.Bilinear ? Math.Max(0, 1 - x)
            : x < 1 ? ((A + 2) * x - (A + 3)) * x * x + 1
            : x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
    }
}
