namespace PeftCore.Peft;

/// <summary>Checks of hyperparameters against a layer.</summary>
internal static class Hyperparameters
{
    public static void Rank(int rank, string field = "r")
    {
        if (rank < 1)
        {
            throw new BadInputException($"{field} is {rank}; it must be at least 1");
        }
    }

    /// <summary>Throws if <paramref name="size"/> does not divide <paramref name="extent"/>.</summary>
    public static void Divides(string field, int size, string path, string what, int extent)
    {
        if (size < 1 || extent % size != 0)
        {
            throw new BadInputException(
                $"{field} is {size}, but \"{path}\" has {extent} {what}, which it does not divide; choose a divisor, or leave the layer " +
                "out");
        }
    }

    /// <summary>Converts a scale to F32; throws if it is not finite.</summary>
    public static float Scale(string field, string path, double scale) => float.IsFinite((float)scale) ? (float)scale
        : throw new BadInputException($"{field} makes the scale of \"{path}\" {scale}; it must be a finite number");
}
