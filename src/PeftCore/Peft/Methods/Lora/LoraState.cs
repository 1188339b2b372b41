namespace PeftCore.Peft.Lora;

/// <summary>What training goes on from where the initial factors cannot be found again: they are kept beside the trained ones.</summary>
internal static class LoraState
{
    public const string InitialA = ".initial_A", InitialB = ".initial_B";

    public static IEnumerable<SavedEntry> Of(Adapter adapter)
    {
        foreach (var parameter in adapter.Parameters)
        {
            yield return SavedEntry.Of(parameter);
        }
        foreach (var (path, layer) in adapter.Layers)
        {
            if (layer is LoraLinearAdapter { Anchor: { } anchor })
            {
                yield return SavedEntry.Of(path + InitialA, anchor.A);
                yield return SavedEntry.Of(path + InitialB, anchor.B);
            }
        }
    }
}
