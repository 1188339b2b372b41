using System.Diagnostics;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Verbs;

/// <summary>The pictures that a diffusion model draws, for generate --output-dir.</summary>
internal static class DrawnPictures
{
    /// <summary>Name of the file with all pictures side by side.</summary>
    public const string SheetName = "all.png";

    // diffusers' default for a prompt.
    private const double UsualGuidance = 7.5;

    // Empty pixels between the pictures of a sheet, and the least pixels of a side of each: smaller ones are enlarged.
    private const int Gap = 4, LeastSide = 64;

    public static VerbResult To(string output, SamplingOptions options, Invocation call)
    {
        OutputDirectory.RefuseFile(output);
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, limit: options.Limits?.For(options.Device),
            compute: options.Dtype), options.Model, warn: call.Terminal.Warn, task: TaskChoice.Of(null, options.Adapters),
            quantization: options.Quantization.ToOptions())
            .RequireDrawing();
        var reader = session.Pictures;
        session.TellOfPictures(call);
        session.WithAdapters(options.Adapters, call);
        var clock = Stopwatch.StartNew();
        var pictures = reader.Draw(session.Model.Base, options.Prompt, options.NumImages, options.NumInferenceSteps, options.Seed,
            options.GuidanceScale ?? (options.Prompt is null ? 1 : UsualGuidance), options.ClassLabel);
        OutputDirectory.Create(output);
        List<string> files = [.. pictures.Select((_, i) => Path.Combine(output, FormattableString.Invariant($"{i:000}.png")))];
        foreach (var (picture, file) in pictures.Zip(files))
        {
            PngFile.Write(file, picture.Pixels, picture.Height, picture.Width);
        }
        if (pictures.Count > 1)
        {
            WriteSheet(Path.Combine(output, SheetName), pictures);
        }
        string what = pictures.Count == 1 ? "picture" : "pictures";
        string size = $"{pictures[0].Height} × {pictures[0].Width}";
        call.Say(FormattableString.Invariant(
            $"{output}: {pictures.Count} {what} of {size} pixels in {clock.Elapsed.TotalSeconds:0.0} s"));
        return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("images", files)
            .Add("seconds", clock.Elapsed.TotalSeconds));
    }

    /// <summary>All pictures in about as many rows as columns.</summary>
    private static void WriteSheet(string path, IReadOnlyList<(byte[] Pixels, int Height, int Width)> pictures)
    {
        int columns = (int)Math.Ceiling(Math.Sqrt(pictures.Count)), rows = (pictures.Count + columns - 1) / columns;
        int zoom = Math.Max(1, LeastSide / pictures[0].Width), height = zoom * pictures[0].Height, width = zoom * pictures[0].Width;
        int line = columns * (width + Gap) - Gap;
        byte[] sheet = new byte[(rows * (height + Gap) - Gap) * line * 3];
        Array.Fill(sheet, byte.MaxValue);
        for (int i = 0; i < pictures.Count; i++)
        {
            for (int pixel = 0; pixel < height * width; pixel++)
            {
                int row = pixel / width, column = pixel % width;
                int at = (i / columns * (height + Gap) + row) * line + i % columns * (width + Gap) + column;
                pictures[i].Pixels.AsSpan((row / zoom * pictures[i].Width + column / zoom) * 3, 3).CopyTo(sheet.AsSpan(at * 3));
            }
        }
        PngFile.Write(path, sheet, rows * (height + Gap) - Gap, line);
    }
}
