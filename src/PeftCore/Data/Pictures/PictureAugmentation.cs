using PeftCore.Kernels;

namespace PeftCore.Data;

/// <summary>Random changes of a training picture: mirrored with probability 1/2, and a random part of it in the place of the
/// whole (torchvision's RandomHorizontalFlip and RandomResizedCrop). They are a function of the draw, so that a resumed run
/// repeats them.</summary>
/// <param name="Flips">Whether pictures are mirrored.</param>
/// <param name="SmallestPart">The least share of the area that the part has; 1 for the whole picture.</param>
internal sealed record PictureAugmentation(bool Flips, double SmallestPart)
{
    // Philox streams of its own: the order of samples, dropout and initial weights use others with the same seed.
    private const ulong Streams = 0x7069_6374_0000_0000;

    private const int Tries = 10;

    // A part is at most so much wider than the picture's pixels are high, or the inverse.
    private const double WidestRatio = 4.0 / 3;

    /// <summary>Whether parts are drawn.</summary>
    public bool Crops => SmallestPart < 1;

    /// <summary>Whether a draw mirrors its picture.</summary>
    public bool FlipsIn(SampleDraw draw) => Flips && Uniform(draw, 0) < 0.5;

    /// <summary>The part of a picture that a draw shows: an area of at least <see cref="SmallestPart"/>, sides in a ratio of 3/4 to
    /// 4/3.</summary>
    public Picture Part(Picture picture, SampleDraw draw)
    {
        ulong drawn = 1;
        double Next() => Uniform(draw, drawn++);
        for (int i = 0; i < Tries; i++)
        {
            double area = (double)picture.Height * picture.Width * (SmallestPart + (1 - SmallestPart) * Next());
            double ratio = Math.Pow(WidestRatio, 2 * Next() - 1);
            int width = (int)Math.Round(Math.Sqrt(area * ratio)), height = (int)Math.Round(Math.Sqrt(area / ratio));
            if (width >= 1 && width <= picture.Width && height >= 1 && height <= picture.Height)
            {
                int top = Place(picture.Height - height, Next()), left = Place(picture.Width - width, Next());
                return picture.Crop(top, left, height, width);
            }
        }
        return picture;
    }

    private static int Place(int most, double uniform) => Math.Min(most, (int)(uniform * (most + 1)));

    private static double Uniform(SampleDraw draw, ulong index) =>
        Philox.Uniform(draw.Seed, Streams + (uint)draw.Epoch, ((ulong)(uint)draw.Sample << 32) | index);
}
