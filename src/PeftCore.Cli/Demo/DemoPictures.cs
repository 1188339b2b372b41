using PeftCore.Cli.Session;

namespace PeftCore.Cli.Demo;

/// <summary>Draws the pictures of the demo: a disc, stripes or a chessboard in a random color and place, on a noisy ground of another
/// color.</summary>
internal static class DemoPictures
{
    public const int Side = 32;

    // How far colors of shape and ground are apart, of 255, and how far pixels vary.
    private const int Contrast = 80, Noise = 16;

    // Radians a pixel of stripes and checks.
    private const double Wave = 0.8;

    /// <summary>The classes.</summary>
    public static IReadOnlyList<string> Classes { get; } = ["checks", "disc", "stripes"];

    /// <summary>Draws a directory for each class in train, valid and test.</summary>
    /// <param name="directory">The directory, which is created.</param>
    /// <param name="train">Training pictures of each class; a third as many are held out for validation and for the test.</param>
    /// <param name="seed">Seed of everything random.</param>
    public static void Draw(string directory, int train, ulong seed)
    {
        var random = new Random((int)(seed % int.MaxValue));
        foreach (var (split, count) in (ReadOnlySpan<(string, int)>)[("train", train), ("valid", train / 3), ("test", train / 3)])
        {
            foreach (string name in Classes)
            {
                string folder = Path.Combine(directory, split, name);
                OutputDirectory.Create(folder);
                for (int i = 0; i < count; i++)
                {
                    PngFile.Write(Path.Combine(folder, $"{i:00}.png"), Pixels(name, random), Side, Side);
                }
            }
        }
    }

    /// <summary>(32, 32, 3): a picture of a class.</summary>
    private static byte[] Pixels(string name, Random random)
    {
        var (ground, shape) = (Color(random), Color(random));
        while (ground.Zip(shape).Sum(pair => Math.Abs(pair.First - pair.Second)) < 3 * Contrast)
        {
            shape = Color(random);
        }
        double x0 = random.Next(12, 20), y0 = random.Next(12, 20), reach = random.Next(6, 11), angle = random.NextDouble() * Math.PI;
        byte[] pixels = new byte[Side * Side * 3];
        for (int i = 0; i < Side * Side; i++)
        {
            double x = i % Side - x0, y = i / Side - y0;
            bool inside = name switch
            {
                "disc" => x * x + y * y <= reach * reach,
                "checks" => Math.Sin(x * Wave) * Math.Sin(y * Wave) > 0,
                _ => Math.Sin((x * Math.Cos(angle) + y * Math.Sin(angle)) * Wave) > 0,
            };
            for (int c = 0; c < 3; c++)
            {
                pixels[3 * i + c] = (byte)Math.Clamp((inside ? shape : ground)[c] + random.Next(-Noise, Noise + 1), 0, 255);
            }
        }
        return pixels;
    }

    private static int[] Color(Random random) => [random.Next(256), random.Next(256), random.Next(256)];
}
