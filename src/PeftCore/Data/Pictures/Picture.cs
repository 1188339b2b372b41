using System.Runtime.InteropServices;

namespace PeftCore.Data;

/// <summary>A picture: red, green and blue of each pixel, from 0 to 255. Files are decoded by the caller: <see cref="FromRgb"/>.</summary>
public sealed class Picture
{
    /// <summary>Red, green and blue.</summary>
    internal const int Channels = 3;

    // Larger sides belong to damaged headers rather than to pictures.
    private const int LargestSide = 1 << 16;

    internal Picture(byte[] pixels, int height, int width) => (Pixels, Height, Width) = (pixels, height, width);

    /// <summary>(height, width, 3), row-major.</summary>
    internal byte[] Pixels { get; }

    /// <summary>Rows of pixels.</summary>
    internal int Height { get; }

    /// <summary>Columns of pixels.</summary>
    internal int Width { get; }

    /// <summary>A picture of decoded pixels.</summary>
    /// <param name="source">The file, for error messages.</param>
    /// <param name="pixels">(height, width, 3): red, green and blue of each pixel, row by row from the top.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <exception cref="BadInputException">There are no pixels, or not as many as the sides say.</exception>
    public static Picture FromRgb(string source, ReadOnlySpan<byte> pixels, int height, int width)
    {
        if (height is < 1 or > LargestSide || width is < 1 or > LargestSide)
        {
            throw new BadInputException($"{source}: the picture has {height} × {width} pixels, expected sides of 1 to {LargestSide}; leave the " +
                "file out or save it again.");
        }
        return pixels.Length == (long)height * width * Channels ? new Picture(pixels.ToArray(), height, width)
            : throw new BadInputException($"{source}: {pixels.Length} numbers are not the {Channels} colors of {height} × {width} pixels.");
    }

    /// <summary>The numbers that a model reads of the picture: resized, cropped and normalized as preprocessor_config.json says.</summary>
    /// <param name="directory">The model's directory.</param>
    /// <returns>(3, height, width)</returns>
    /// <exception cref="BadInputException">The directory has no preprocessor of pictures, or one that is not supported.</exception>
    public float[,,] Preprocess(string directory)
    {
        var preprocessor = PicturePreprocessor.Read(directory, ProcessorConfig.ModelTypeIn(directory));
        var sized = preprocessor.Sized(this);
        float[,,] pixels = new float[Channels, sized.Height, sized.Width];
        preprocessor.Write(sized, MemoryMarshal.CreateSpan(ref pixels[0, 0, 0], pixels.Length));
        return pixels;
    }

    /// <summary>A part of the picture. Pixels outside are black.</summary>
    /// <param name="top">The first row, which may be outside.</param>
    /// <param name="left">The first column, which may be outside.</param>
    /// <param name="height">Rows of the part.</param>
    /// <param name="width">Columns of the part.</param>
    internal Picture Crop(int top, int left, int height, int width)
    {
        if ((top, left, height, width) == (0, 0, Height, Width))
        {
            return this;
        }
        byte[] part = new byte[height * width * Channels];
        int from = Math.Max(0, left), to = Math.Min(Width, left + width);
        for (int row = Math.Max(0, -top); from < to && row < Math.Min(height, Height - top); row++)
        {
            Pixels.AsSpan(((row + top) * Width + from) * Channels, (to - from) * Channels)
                .CopyTo(part.AsSpan((row * width + from - left) * Channels));
        }
        return new Picture(part, height, width);
    }

    /// <summary>The picture mirrored: its left column on the right.</summary>
    internal Picture Flip()
    {
        byte[] mirrored = new byte[Pixels.Length];
        for (int row = 0; row < Height; row++)
        {
            for (int column = 0; column < Width; column++)
            {
                Pixels.AsSpan((row * Width + column) * Channels, Channels)
                    .CopyTo(mirrored.AsSpan((row * Width + Width - 1 - column) * Channels));
            }
        }
        return new Picture(mirrored, Height, Width);
    }
}
