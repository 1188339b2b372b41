namespace PeftCore.Peft;

/// <summary>The layers Hugging Face PEFT takes for LoRA when none are named.</summary>
internal static class DefaultTargets
{
    public static ModuleSelector For(string modelType) => modelType switch
    {
        "gpt2" => ModuleSelector.Of("c_attn"),
        _ => ModuleSelector.Of("q_proj", "v_proj"),
    };
}
