using System.Globalization;
using System.Text;
using PeftCore.Data;

namespace PeftCore.Cli.Output;

/// <summary>Draws the log-mel spectrogram of a recording: time to the right, frequency upwards on the mel scale, energy by color.</summary>
internal static class SpectrogramPlot
{
    private const double Width = 760, Height = 320, Left = 56, Right = 20, Top = 36, Bottom = 44;

    // Columns that can be told apart, and steps of color.
    private const int MostColumns = 380, Levels = 24;

    /// <summary>The frequencies that are labelled, with the mel filter of 80 whose center is nearest.</summary>
    private static readonly (double Hertz, int Bin)[] Ticks = [(500, 12), (1000, 26), (2000, 44), (4000, 62), (8000, 80)];

    /// <summary>Draws a file.</summary>
    public static void Draw(string path, string name, Waveform recording)
    {
        try
        {
            File.WriteAllText(path, Svg(name, recording.Spectrogram(), recording.Seconds));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--spectrogram {path}: the file cannot be written ({e.Message.TrimEnd('.')}).", e);
        }
    }

    internal static string Svg(string name, float[,] energy, double seconds)
    {
        int bins = energy.GetLength(0), frames = energy.GetLength(1), columns = Math.Min(frames, MostColumns);
        int[,] levels = LevelsOf(energy, columns);
        double width = (Width - Left - Right) / columns, height = (Height - Top - Bottom) / bins;
        var svg = new StringBuilder();
        svg.Append(Text($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="12">
            <title>Log-mel spectrogram</title>
            <rect width="{Width}" height="{Height}" fill="white"/>
            <text x="{Left}" y="20">{System.Net.WebUtility.HtmlEncode(Path.GetFileName(name))}: {seconds:0.00} s</text>
            <rect x="{Left}" y="{Top}" width="{Width - Left - Right}" height="{Height - Top - Bottom}" fill="{Color(0)}"/>

            """));
        for (int level = 1; level < Levels; level++)
        {
            AppendLevel(level);
        }
        foreach (var (hertz, bin) in Ticks)
        {
            double y = Height - Bottom - bin * height * bins / 80;
            svg.Append(Text($"""
                <text x="{Left - 6}" y="{y + 4:0.#}" text-anchor="end" fill="#444444">{hertz:0} Hz</text>

                """));
        }
        for (int i = 0; i <= 4; i++)
        {
            double x = Left + i / 4.0 * (Width - Left - Right), at = i / 4.0 * seconds;
            svg.Append(Text($"""
                <text x="{x}" y="{Height - Bottom + 18}" text-anchor="middle" fill="#444444">{at:0.##} s</text>

                """));
        }
        return svg.Append("</svg>\n").ToString();

        // One path a level, with a rectangle for each run of equal columns.
        void AppendLevel(int level)
        {
            var path = new StringBuilder();
            for (int bin = 0; bin < bins; bin++)
            {
                for (int from = 0, to; from < columns; from = to)
                {
                    for (to = from + 1; to < columns && levels[bin, to] == levels[bin, from]; to++)
                    {
                    }
                    if (levels[bin, from] == level)
                    {
                        double top = Height - Bottom - (bin + 1) * height, run = (to - from) * width;
                        path.Append(Text($"M{Left + from * width:0.#} {top:0.##}h{run:0.##}v{height:0.##}h-{run:0.##}z"));
                    }
                }
            }
            svg.Append(path.Length == 0 ? "" : Text($"""<path fill="{Color(level)}" d="{path}"/>""") + "\n");
        }
    }

    /// <summary>The largest energy of the frames of each column, in steps from the lowest to the highest.</summary>
    private static int[,] LevelsOf(float[,] energy, int columns)
    {
        int bins = energy.GetLength(0), frames = energy.GetLength(1);
        float low = energy.Cast<float>().Min(), high = Math.Max(low + 1e-6f, energy.Cast<float>().Max());
        int[,] levels = new int[bins, columns];
        for (int bin = 0; bin < bins; bin++)
        {
            for (int frame = 0; frame < frames; frame++)
            {
                int column = (int)((long)frame * columns / frames), level = (int)((energy[bin, frame] - low) / (high - low) * (Levels - 1));
                levels[bin, column] = Math.Max(levels[bin, column], level);
            }
        }
        return levels;
    }

    // From dark blue over red to light yellow.
    private static string Color(int level)
    {
        double t = level / (Levels - 1.0);
        int red = (int)(255 * Math.Clamp(1.6 * t, 0, 1)), green = (int)(255 * Math.Clamp(2 * t - 0.9, 0, 1));
        int blue = (int)(255 * (t < 0.4 ? 0.25 + t : t < 0.7 ? 1.95 * (0.7 - t) + 0.06 : 2 * (t - 0.7) + 0.06));
        return $"#{red:x2}{green:x2}{Math.Clamp(blue, 0, 255):x2}";
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
