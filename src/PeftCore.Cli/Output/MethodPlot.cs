using System.Globalization;
using System.Text;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Output;

/// <summary>Draws comparison.svg: held-out loss over the number of trained parameters, on a logarithmic axis; the redder a dot, the more was
/// forgotten.</summary>
internal static class MethodPlot
{
    private const double Width = 760, Height = 480, Left = 64, Right = 130, Top = 36, Bottom = 56;

    public static string Svg(IReadOnlyList<ComparedMethod> methods, double baseLoss)
    {
        double low = Math.Floor(methods.Min(method => Math.Log10(method.Trainable))), high = Math.Ceiling(methods.Max(method => Math.Log10(method.Trainable)));
        high = Math.Max(high, low + 1);
        double bottom = Math.Floor(methods.Min(method => method.HeldLoss) * 10) / 10, top = Math.Max(bottom + 0.2, Math.Ceiling(Math.Min(baseLoss, methods.Max(method => method.HeldLoss)) * 10) / 10);
        double most = Math.Max(1e-9, methods.Max(method => method.Forgetting));
        var svg = new StringBuilder();
        svg.Append(Text($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="12">
            <title>Methods compared</title>
            <rect width="{Width}" height="{Height}" fill="white"/>
            <text x="{Left}" y="20">held-out loss after training (before: {baseLoss:0.00}); the redder, the more was forgotten</text>

            """));
        for (double power = low; power <= high; power++)
        {
            svg.Append(Text($"""
                <line x1="{X(power)}" y1="{Top}" x2="{X(power)}" y2="{Height - Bottom}" stroke="#eeeeee"/><text x="{X(power)}" y="{Height - Bottom + 18}" text-anchor="middle" fill="#444444">{Math.Pow(10, power):N0}</text>

                """));
        }
        double unit = (top - bottom) / 5;
        for (double loss = bottom; loss <= top + unit / 2; loss += unit)
        {
            svg.Append(Text($"""
                <line x1="{Left}" y1="{Y(loss)}" x2="{Width - Right}" y2="{Y(loss)}" stroke="#dddddd"/><text x="{Left - 8}" y="{Y(loss) + 4}" text-anchor="end" fill="#444444">{loss:0.00}</text>

                """));
        }
        svg.Append(Text($"""
            <text x="{(Left + Width - Right) / 2}" y="{Height - 14}" text-anchor="middle">trained parameters</text>

            """));
        foreach (var method in methods)
        {
            int red = (int)Math.Round(255 * Math.Sqrt(Math.Clamp(method.Forgetting / most, 0, 1)));
            svg.Append(Text($"""
                <circle cx="{X(Math.Log10(method.Trainable))}" cy="{Y(method.HeldLoss)}" r="5" fill="rgb({red},80,{255 - red})"/><text x="{X(Math.Log10(method.Trainable)) + 8}" y="{Y(method.HeldLoss) + 4}">{method.ShortName}</text>

                """));
        }
        return svg.Append("</svg>\n").ToString();

        double X(double power) => Math.Round(Left + (power - low) / (high - low) * (Width - Left - Right), 1);

        // What is above the axis stands at its upper end.
        double Y(double loss) => Math.Round(Top + (top - Math.Min(loss, top)) / (top - bottom) * (Height - Top - Bottom), 1);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
