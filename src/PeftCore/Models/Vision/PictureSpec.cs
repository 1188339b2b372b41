using System.Text.Json;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The pictures that a model reads, and the patches it cuts them into.</summary>
/// <param name="Height">Rows of pixels.</param>
/// <param name="Width">Columns of pixels.</param>
/// <param name="Channels">Channels, such as red, green and blue.</param>
/// <param name="Patch">Rows and columns of a patch.</param>
/// <param name="Interpolates">Whether pictures may have another size, for which the positions of the patches are interpolated.</param>
internal sealed record PictureSpec(int Height, int Width, int Channels, int Patch, bool Interpolates)
{
    private const int LargestSide = 1 << 14;

    /// <summary>The patches of a picture of the model's own size.</summary>
    public PictureGrid Grid => new(Height / Patch, Width / Patch);

    /// <summary>(channels, height, width).</summary>
    public Shape Shape => [Channels, Height, Width];

    /// <summary>Reads the fields of a configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="interpolates">See <see cref="Interpolates"/>.</param>
    /// <param name="sizeField">The name of the picture's size.</param>
    /// <param name="side">The size if the field is absent.</param>
    /// <param name="patch">The size of a patch if "patch_size" is absent.</param>
    /// <exception cref="BadInputException">A field is wrong, or no patch fits into a picture.</exception>
    public static PictureSpec Read(ConfigReader config, bool interpolates, string sizeField = "image_size", int side = 224, int patch = 16)
    {
        var (height, width) = Sides(config, sizeField, side);
        var (patchHeight, patchWidth) = Sides(config, "patch_size", patch);
        if (patchHeight != patchWidth)
        {
            throw config.Error("patch_size", $"is {patchHeight} × {patchWidth}, but only square patches are supported");
        }
        return patchHeight <= Math.Min(height, width)
            ? new PictureSpec(height, width, config.Int("num_channels", 3, min: 1, max: 1024), patchHeight, interpolates)
            : throw config.Error("patch_size", $"is {patchHeight}, larger than a picture of {height} × {width} pixels");
    }

    /// <summary>The patches of a batch's pictures.</summary>
    /// <exception cref="BadInputException">There are no pictures, or they have a size or channels that the model does not read.</exception>
    public PictureGrid GridOf(InputArrays arrays, string modelType)
    {
        var shape = (arrays.Pixels
            ?? throw new BadInputException($"{modelType} models read pictures, but the batch has none (pixel_values)")).Shape;
        int channels = shape[1], height = shape[2], width = shape[3];
        if (channels != Channels)
        {
            throw new BadInputException($"the pictures have {channels} channels, but this {modelType} model reads {Channels}; " +
                (Channels == 3 ? "convert them to RGB" : "convert them"));
        }
        if ((height, width) == (Height, Width))
        {
            return Grid;
        }
        string size = $"the pictures have {height} × {width} pixels, but this {modelType} model reads {Height} × {Width}";
        return !Interpolates ? throw new BadInputException($"{size}; resize them")
            : height >= Patch && width >= Patch ? new PictureGrid(height / Patch, width / Patch)
            : throw new BadInputException($"{size}, and no smaller ones than its patches of {Patch} × {Patch}; resize them");
    }

    /// <summary>A side, or height and width.</summary>
    private static (int Height, int Width) Sides(ConfigReader config, string name, int fallback)
    {
        if (config.Raw(name) is not { ValueKind: JsonValueKind.Array } list)
        {
            int side = config.Int(name, fallback, min: 1, max: LargestSide);
            return (side, side);
        }
        int[] sides = [.. list.EnumerateArray()
            .Select(item => item.TryGetInt32(out int value) && value is > 0 and <= LargestSide ? value : 0)];
        return sides is [> 0, > 0] ? (sides[0], sides[1]) : throw config.Error(name, "is a list, expected a height and a width in pixels");
    }
}

/// <summary>The patches of a picture.</summary>
/// <param name="Down">Patches in a column.</param>
/// <param name="Across">Patches in a row.</param>
internal readonly record struct PictureGrid(int Down, int Across)
{
    /// <summary>Patches.</summary>
    public int Count => Down * Across;
}
