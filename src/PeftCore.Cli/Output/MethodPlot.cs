using System.Globalization;
using System.Text;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Output;

/// <summary>Draws comparison.svg: held-out loss over the number of trained parameters, both on logarithmic axes; a redder dot means more
/// forgetting.</summary>
internal static class MethodPlot
{
    private const double Width = 760, Height = 480, Left = 64, Right = 130, Top = 36, Bottom = 56;

    public static string Svg(IReadOnlyList<ComparedMethod> methods, double baseLoss)
    {
        double low = Math.Floor(methods.Min(method => Math.Log10(method.Trainable))),
            high = Math.Ceiling(methods.Max(method => Math.Log10(method.Trainable)));
        high = Math.Max(high, low + 1);
        var ticks = LossTicks.Between(methods.Min(method => method.HeldLoss), Math.Min(baseLoss, methods.Max(method => method.HeldLoss)));
        double bottom = ticks[0], top = ticks[^1];
        double most = Math.Max(1e-9, methods.Max(method => method.Forgetting ?? 0));
        string legend = methods.Any(method => method.Forgetting is not null) ? "; the redder, the more was forgotten" : "";
        var svg = new StringBuilder();
        svg.Append(Text($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="12">
            <title>Methods compared</title>
            <rect width="{Width}" height="{Height}" fill="white"/>
            <text x="{Left}" y="20">held-out loss after training (before: {baseLoss:0.00}){legend}</text>

            """));
        for (double power = low; power <= high; power++)
        {
            svg.Append(Text($"""
                <line x1="{X(power)}" y1="{Top}" x2="{X(power)}" y2="{Height - Bottom}" stroke="#eeeeee"/>
                <text x="{X(power)}" y="{Height - Bottom + 18}" text-anchor="middle" fill="#444444">{Math.Pow(10, power):N0}</text>

                """));
        }
        foreach (double loss in ticks)
        {
            svg.Append(Text($"""
                <line x1="{Left}" y1="{Y(loss)}" x2="{Width - Right}" y2="{Y(loss)}" stroke="#dddddd"/>
                <text x="{Left - 8}" y="{Y(loss) + 4}" text-anchor="end" fill="#444444">{loss:0.0###}</text>

                """));
        }
        svg.Append(Text($"""
            <text x="{(Left + Width - Right) / 2}" y="{Height - 14}" text-anchor="middle">trained parameters</text>

            """));
        var dots = methods.Select(method => (X: X(Math.Log10(method.Trainable)), Y: Y(method.HeldLoss))).ToList();
        var labels = PlotLabels.Place(dots, [.. methods.Select(method => method.ShortName)]);
        for (int i = 0; i < dots.Count; i++)
        {
            int red = (int)Math.Round(255 * Math.Sqrt(Math.Clamp((methods[i].Forgetting ?? 0) / most, 0, 1)));
            svg.Append(Text($"""
                <circle cx="{dots[i].X}" cy="{dots[i].Y}" r="5" fill="rgb({red},80,{255 - red})"/>
                <text x="{labels[i].X}" y="{labels[i].Y}">{methods[i].ShortName}</text>

                """));
        }
        return svg.Append("</svg>\n").ToString();

        double X(double power) => Math.Round(Left + (power - low) / (high - low) * (Width - Left - Right), 1);

        // Values above the axis are drawn at its upper end.
        double Y(double loss) =>
            Math.Round(Top + Math.Log(top / Math.Clamp(loss, bottom, top)) / Math.Log(top / bottom) * (Height - Top - Bottom), 1);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
