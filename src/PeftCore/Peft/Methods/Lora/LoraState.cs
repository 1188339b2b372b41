namespace PeftCore.Peft.Lora;

/// <summary>The training state of a LoRA whose initial factors come from data, so that they cannot be computed again: A₀ and B₀ are saved
/// with the trained parameters.</summary>
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
            if (layer is LoraLayer { FrozenInitialFactors: { } initial })
            {
                yield return SavedEntry.Of(path + InitialA, initial.A);
                yield return SavedEntry.Of(path + InitialB, initial.B);
            }
        }
    }
}
