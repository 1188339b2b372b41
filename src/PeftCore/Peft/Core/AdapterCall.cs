namespace PeftCore.Peft;

/// <summary>The adapters of one call, which flow with it: over await, and into tasks that it starts.</summary>
internal sealed class AdapterCall
{
    /// <summary>The adapters that every row runs with; empty in a mixed batch.</summary>
    public Adapter[] Applied { get; init; } = [];

    /// <summary>The adapters of the rows of a mixed batch; null if all rows use <see cref="Applied"/>.</summary>
    public MixedRows? Rows { get; init; }

    /// <summary>Whether the call changes no adapters: the active ones run.</summary>
    public bool IsDefault { get; init; }

    /// <summary>The task of each row, or one task for all; null for task 0.</summary>
    public IReadOnlyList<int>? Tasks { get; init; }

    /// <summary>The same adapters with other tasks.</summary>
    public AdapterCall With(IReadOnlyList<int>? tasks) =>
        new() { Applied = Applied, Rows = Rows, IsDefault = IsDefault, Tasks = tasks };

    /// <summary>Checks that the adapters are still attached.</summary>
    /// <exception cref="BadInputException">One was deleted.</exception>
    public void Check()
    {
        foreach (var adapter in Applied)
        {
            Check(adapter);
        }
        for (int i = 0; i < (Rows?.Adapters.Count ?? 0); i++)
        {
            Check(Rows!.Adapters[i]);
        }
    }

    private static void Check(Adapter? adapter)
    {
        if (adapter is { IsDetached: true })
        {
            throw new BadInputException(
                $"adapter \"{adapter.Name}\" was deleted while a call used it; delete it after the calls that name it");
        }
    }
}
