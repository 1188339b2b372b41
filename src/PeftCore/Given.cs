using System.Runtime.CompilerServices;

namespace PeftCore;

/// <summary>Checks of arguments that callers outside the library give.</summary>
internal static class Given
{
    /// <summary>Refuses null as the value of a property or a parameter.</summary>
    /// <returns>The value.</returns>
    public static T Value<T>(T? value, [CallerMemberName] string? name = null) where T : class =>
        value ?? throw new ArgumentNullException(name);

    /// <summary>Refuses a list that is null, or one of whose items is.</summary>
    /// <returns>The list.</returns>
    public static IReadOnlyList<T> Items<T>(IReadOnlyList<T>? items, [CallerArgumentExpression(nameof(items))] string? name = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(items, name);
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i] is null)
            {
                throw NullItem(i, name);
            }
        }
        return items;
    }

    /// <summary>Refuses arguments one of which is null.</summary>
    public static void NotNull<T>(ReadOnlySpan<T> items, [CallerArgumentExpression(nameof(items))] string? name = null) where T : class
    {
        for (int i = 0; i < items.Length; i++)
        {
            if (items[i] is null)
            {
                throw NullItem(i, name);
            }
        }
    }

    /// <summary>Refuses null as the result of a caller's function.</summary>
    /// <param name="result">What it returned.</param>
    /// <param name="function">Which function, and for what.</param>
    /// <exception cref="InvalidOperationException">The result is null.</exception>
    public static T Result<T>(T? result, string function) where T : class =>
        result ?? throw new InvalidOperationException($"{function} returned null");

    private static ArgumentNullException NullItem(int index, string? name) => new(name, $"item {index} is null");
}
