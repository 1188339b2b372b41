namespace PeftCore.Cli.Output;

/// <summary>Places the labels of dots so that they cover neither each other nor a dot, if possible.</summary>
internal static class PlotLabels
{
    private const double CharacterWidth = 6.8, LineHeight = 13, Radius = 6;

    private readonly record struct Box(double Left, double Top, double Right, double Bottom)
    {
        public double Shared(Box other) => Math.Max(0, Math.Min(Right, other.Right) - Math.Max(Left, other.Left)) *
            Math.Max(0, Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top));
    }

    /// <summary>The left end of each label's baseline.</summary>
    public static (double X, double Y)[] Place(IReadOnlyList<(double X, double Y)> dots, IReadOnlyList<string> names)
    {
        var taken = dots.Select(dot => new Box(dot.X - Radius, dot.Y - Radius, dot.X + Radius, dot.Y + Radius)).ToList();
        var places = new (double X, double Y)[dots.Count];
        for (int i = 0; i < places.Length; i++)
        {
            double width = CharacterWidth * names[i].Length;
            var best = Candidates(dots[i], width).MinBy(place => taken.Where((_, j) => j != i).Sum(Around(place, width).Shared));
            places[i] = (Math.Round(best.X, 1), Math.Round(best.Y, 1));
            taken.Add(Around(best, width));
        }
        return places;
    }

    // In order of distance: the first of equally free places is taken.
    private static IEnumerable<(double X, double Y)> Candidates((double X, double Y) dot, double width)
    {
        foreach (double away in new[] { 0, 0.7, 1.2, 1.8 })
        {
            foreach (double direction in away == 0 ? new[] { 1.0 } : [-1.0, 1.0])
            {
                double y = dot.Y + 4 + (direction * away * LineHeight);
                yield return (dot.X + 8, y);
                yield return (dot.X - 8 - width, y);
                if (away > 1)
                {
                    yield return (dot.X - (width / 2), y);
                }
            }
        }
    }

    private static Box Around((double X, double Y) place, double width) =>
        new(place.X, place.Y - LineHeight + 3, place.X + width, place.Y + 3);
}
