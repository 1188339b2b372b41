using PeftCore.Cli.Session;
using PeftCore.Models;

namespace PeftCore.Cli.Verify;

/// <summary>The pictures of a run: a folder for each class, classes and files in the order of their names, pixels as
/// (x/255 − 0.5)/0.5.</summary>
internal sealed class RunPictures
{
    private const string Data = "../../../data/vehicles";
    private const int Channels = 3;

    private readonly List<(float[] Pixels, int Label)> _train;
    private readonly List<(float[] Pixels, int Label)> _test;
    private readonly int _side;

    private RunPictures(List<(float[] Pixels, int Label)> train, List<(float[] Pixels, int Label)> test, int side) =>
        (_train, _test, _side) = (train, test, side);

    /// <summary>Number of held-out pictures.</summary>
    public int TestCount => _test.Count;

    /// <summary>Reads the pictures beside a fixture.</summary>
    /// <param name="fixture">The fixture's directory.</param>
    /// <param name="side">Rows and columns of pixels.</param>
    /// <exception cref="BadInputException">They are not there, or one is damaged or of another size.</exception>
    public static RunPictures Load(string fixture, int side)
    {
        string data = Path.GetFullPath(Path.Combine(fixture, Data));
        return Directory.Exists(data)
            ? new(Read(Path.Combine(data, "train"), side), Read(Path.Combine(data, "test"), side), side)
            : throw new BadInputException($"{fixture}: the pictures of this run are not at {data}");
    }

    /// <summary>The pixels of some training pictures.</summary>
    public float[] Pixels(IEnumerable<int> numbers) => [.. numbers.SelectMany(number => _train[number].Pixels)];

    /// <summary>The inputs and the classes of some pictures.</summary>
    public (InputArrays Inputs, int[] Labels) Batch(bool isTest, IEnumerable<int> numbers)
    {
        (float[] Pixels, int Label)[] rows = [.. numbers.Select(number => (isTest ? _test : _train)[number])];
        var inputs = new InputArrays { BatchSize = rows.Length }.With("pixel_values", [.. rows.SelectMany(row => row.Pixels)],
            rows.Length, Channels, _side, _side);
        return (inputs, [.. rows.Select(row => row.Label)]);
    }

    private static List<(float[] Pixels, int Label)> Read(string folder, int side) =>
        [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Index().SelectMany(found =>
            Directory.GetFiles(found.Item).Order(StringComparer.Ordinal).Select(file => (PixelsOf(file, side), found.Index)))];

    private static float[] PixelsOf(string file, int side)
    {
        var (colors, height, width) = PictureFile.Decode(file);
        if (width != side || height != side)
        {
            throw new BadInputException($"{file}: has {height} × {width} pixels, expected {side} × {side}");
        }
        float[] pixels = new float[Channels * side * side];
        for (int i = 0; i < side * side; i++)
        {
            for (int c = 0; c < Channels; c++)
            {
                pixels[c * side * side + i] = (colors[i * Channels + c] / 255f - 0.5f) / 0.5f;
            }
        }
        return pixels;
    }
}
