using System.Globalization;
using System.Text;

namespace PeftCore.Cli.Output;

/// <summary>The loss of one step.</summary>
internal readonly record struct CurvePoint(int Step, double Loss);

/// <summary>Draws training_loss.svg: the training loss as a line, the held-out loss as a line with dots.</summary>
internal static class LossCurve
{
    private const double Width = 720, Height = 420, Left = 64, Right = 20, Top = 28, Bottom = 52;

    public static string Svg(IReadOnlyList<CurvePoint> train, IReadOnlyList<CurvePoint> eval)
    {
        CurvePoint[] all = [.. train.Concat(eval).Where(point => double.IsFinite(point.Loss))];
        double steps = Math.Max(1, all.Select(point => point.Step).DefaultIfEmpty(1).Max());
        double top = all.Select(point => point.Loss).DefaultIfEmpty(1).Max();
        double bottom = all.Select(point => point.Loss).DefaultIfEmpty(0).Min();
        double unit = NiceStep((top - bottom) / 5);
        (bottom, top) = (Math.Floor(bottom / unit) * unit, Math.Ceiling(top / unit) * unit);
        if (top <= bottom)
        {
            top = bottom + unit;
        }

        var svg = new StringBuilder();
        svg.Append(Text($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="12">
            <title>Training loss</title>
            <rect width="{Width}" height="{Height}" fill="white"/>

            """));
        for (double loss = bottom; loss <= top + unit / 2; loss += unit)
        {
            svg.Append(Text($"""
                <line x1="{Left}" y1="{Y(loss)}" x2="{Width - Right}" y2="{Y(loss)}" stroke="#dddddd"/>
                <text x="{Left - 8}" y="{Y(loss) + 4}" text-anchor="end" fill="#444444">{loss:0.####}</text>

                """));
        }

        double stepUnit = Math.Max(1, NiceStep(steps / 6));
        for (double step = 0; step <= steps; step += stepUnit)
        {
            svg.Append(Text($"""
                <text x="{X(step)}" y="{Height - Bottom + 18}" text-anchor="middle" fill="#444444">{step:0}</text>

                """));
        }

        svg.Append(Text($"""
            <path d="M{Left} {Top} V{Height - Bottom} H{Width - Right}" fill="none" stroke="#444444"/>
            <text x="{(Left + Width - Right) / 2}" y="{Height - 12}" text-anchor="middle">step</text>
            <text transform="translate(16 {(Top + Height - Bottom) / 2}) rotate(-90)" text-anchor="middle">loss</text>
            {Polyline(train, "#1f77b4", "1.5")}
            {Polyline(eval, "#d62728", "2")}

            """));
        foreach (var point in eval.Where(point => double.IsFinite(point.Loss)))
        {
            svg.Append(Text($"""<circle cx="{X(point.Step)}" cy="{Y(point.Loss)}" r="3" fill="#d62728"/>"""));
        }

        svg.Append(Text($"""
            <text x="{Width - Right}" y="18" text-anchor="end"><tspan fill="#1f77b4">train</tspan> <tspan fill="#d62728">eval</tspan></text>
            </svg>

            """));
        return svg.ToString();

        string X(double step) => Text($"{Left + step / steps * (Width - Left - Right):0.##}");

        double Y(double loss) => Math.Round(Top + (top - loss) / (top - bottom) * (Height - Top - Bottom), 2);

        // A loss that is not finite interrupts the line.
        string Polyline(IReadOnlyList<CurvePoint> points, string color, string width)
        {
            var path = new StringBuilder();
            bool down = false;
            foreach (var point in points)
            {
                bool draw = double.IsFinite(point.Loss);
                if (draw)
                {
                    path.Append(Text($"{(down ? 'L' : 'M')}{X(point.Step)} {Y(point.Loss):0.##}"));
                }

                down = draw;
            }

            return path.Length == 0 ? "" : $"<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"/>";
        }
    }

    /// <summary>1, 2 or 5 times a power of ten, at least <paramref name="least"/>.</summary>
    private static double NiceStep(double least)
    {
        if (!(least > 0))
        {
            return 1;
        }

        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        return new[] { 1, 2, 5, 10 }.Select(factor => factor * power).First(step => step >= least * (1 - 1e-9));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
