namespace PeftCore.Peft;

/// <summary>The layers Hugging Face PEFT changes when none are named.</summary>
internal static class DefaultTargets
{
    /// <param name="modelType">The family.</param>
    /// <param name="peftType">The method as files name it.</param>
    public static ModuleSelector For(string modelType, string peftType) => (modelType, peftType) switch
    {
        ("gpt2", "FOURIERFT" or "C3A") => ModuleSelector.Of("mlp.c_proj"),
        ("gpt2", _) => ModuleSelector.Of("c_attn"),
        _ => ModuleSelector.Of("q_proj", "v_proj"),
    };
}
