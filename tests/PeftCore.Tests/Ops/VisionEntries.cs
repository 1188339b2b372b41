using PeftCore.Ops;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of ops on pictures.</summary>
internal static class VisionEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return new OpEntry("picture patches", [], size =>
        {
            var (batch, channels, height, width, patch) =
                size.Pick((1, 1, 1, 1, 1), (2, 3, 7, 5, 2), (2, 2, 4, 4, 2), (3, 3, 33, 48, 8), (0, 3, 4, 4, 2));
            int down = height / patch, across = width / patch, columns = channels * patch * patch;
            return new OpSample([OpInput.Of("x", batch, channels, height, width)], t => t[0].PicturePatches(patch), v =>
            {
                double[] y = new double[batch * down * across * columns];
                for (int at = 0; at < y.Length; at++)
                {
                    int inside = at % columns, c = inside / (patch * patch), u = inside / patch % patch, w = inside % patch;
                    int j = at / columns % across, i = at / columns / across % down, b = at / columns / across / down;
                    y[at] = v[0][((b * channels + c) * height + i * patch + u) * width + j * patch + w];
                }
                return y;
            });
        });
    }
}
