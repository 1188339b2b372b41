namespace PeftCore;

/// <summary>The seed of random choices that no other seed is given for: that of Hugging Face's Trainer.</summary>
internal static class DefaultSeed
{
    public const ulong Value = 42;
}
