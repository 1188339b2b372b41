using PeftCore.Training;

namespace PeftCore.Misuse;

/// <summary>What code of the user throws inside a call; the library passes it on.</summary>
internal sealed class UserException() : Exception("thrown by the user's code");

/// <summary>Tells a documented refusal from a fault.</summary>
internal static class Judge
{
    // Messages of the base class library for a collection, a span or a Nullable that nobody checked: of a documented type, but they do not
    // say what was wrong with the caller's arguments.
    private static readonly string[] Accidents =
    [
        "Sequence contains", "Nullable object must have a value", "Index was out of range", "An item with the same key",
        "Collection was modified", "Destination is too short", "Destination array",
        "Specified argument was out of the range of valid values.", "Offset and length were out of bounds", "The node already has a parent",
        "Object of type", "Operations that change non-concurrent collections",
    ];

    /// <summary>Why an exception is a fault; null for a documented refusal.</summary>
    public static string? Fault(Exception e) => e switch
    {
        UserException or BadInputException or OperationCanceledException or TrainingDivergedException => null,
        InsufficientMemoryException => null,
        NotImplementedException => "not implemented",
        ArgumentException or InvalidOperationException or NotSupportedException =>
            Array.Exists(Accidents, text => e.Message.StartsWith(text, StringComparison.Ordinal)) ? "does not name the reason" : null,
        _ => "undocumented",
    };

    /// <summary>The first method of the library in the stack trace: faults with the same one are of one kind.</summary>
    public static string Place(Exception e) => (e.StackTrace ?? "").Split('\n')
        .Select(line => line.Trim()).FirstOrDefault(line => line.StartsWith("at PeftCore.", StringComparison.Ordinal)
            && !line.StartsWith("at PeftCore.Misuse", StringComparison.Ordinal)) ?? "outside the library";
}
