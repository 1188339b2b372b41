using System.Text;
using PeftCore.Models;

namespace PeftCore.Tests.Docs;

/// <summary>README's table of model families equals the registry. PEFTCORE_UPDATE_DOCS=1 regenerates it.</summary>
public sealed class FamilyTableTests
{
    private static readonly Dictionary<string, string> Names = new()
    {
        ["llama"] = "Llama 1–3",
        ["mistral"] = "Mistral",
        ["qwen2"] = "Qwen2, Qwen2.5",
        ["qwen3"] = "Qwen3",
        ["gpt2"] = "GPT-2",
        ["gemma"] = "Gemma",
        ["gemma2"] = "Gemma 2",
        ["gemma3_text"] = "Gemma 3",
        ["granite"] = "Granite",
        ["smollm3"] = "SmolLM3",
        ["olmo2"] = "OLMo 2",
        ["olmo3"] = "OLMo 3",
        ["cohere"] = "Command R",
        ["cohere2"] = "Command R7B",
        ["starcoder2"] = "StarCoder2",
        ["stablelm"] = "StableLM",
        ["glm4"] = "GLM-4",
        ["ministral3"] = "Ministral 3",
        ["phi3"] = "Phi-3, Phi-4",
        ["t5"] = "T5, T5 1.1, T0",
        ["mt5"] = "mT5",
        ["bert"] = "BERT",
        ["roberta"] = "RoBERTa",
        ["xlm-roberta"] = "XLM-R",
        ["distilbert"] = "DistilBERT",
        ["electra"] = "ELECTRA",
        ["deberta-v2"] = "DeBERTa-v2, DeBERTa-v3",
        ["albert"] = "ALBERT",
        ["modernbert"] = "ModernBERT",
        ["qwen3_moe"] = "Qwen3-MoE",
        ["mixtral"] = "Mixtral",
        ["gpt_oss"] = "gpt-oss",
        ["deepseek_v3"] = "DeepSeek-V3, DeepSeek-R1",
        ["qwen3_5_text"] = "Qwen3.5",
        ["falcon"] = "Falcon",
        ["mpt"] = "MPT",
        ["gpt_neox"] = "GPT-NeoX, Pythia, RedPajama",
        ["bloom"] = "BLOOM, BLOOMZ",
        ["opt"] = "OPT",
        ["gpt_neo"] = "GPT-Neo",
        ["gptj"] = "GPT-J",
        ["phi"] = "Phi-1, Phi-1.5, Phi-2",
        ["bart"] = "BART",
        ["mbart"] = "mBART",
        ["pegasus"] = "Pegasus",
        ["layoutlm"] = "LayoutLM",
        ["layoutlmv3"] = "LayoutLMv3",
        ["vit"] = "ViT",
        ["dinov2"] = "DINOv2",
        ["clip"] = "CLIP",
        ["clip_text_model"] = "CLIP's encoder of texts",
        ["siglip"] = "SigLIP's tower of pictures with a classifier",
        ["siglip_vision_model"] = "SigLIP's tower of pictures",
        ["whisper"] = "Whisper",
        ["UNet2DConditionModel"] = "UNet of Stable Diffusion",
        ["wav2vec2"] = "wav2vec 2.0, XLS-R",
    };

    [Test]
    public void The_readme_has_every_family_with_its_tasks_and_targets() =>
        GeneratedPart.Check(Path.Combine(TestFiles.Root, "README.md"), "<!-- families -->\n", "<!-- /families -->", Table());

    [Test]
    public void Every_family_has_a_name() => Assert.That(Own().Where(type => !Names.ContainsKey(type)), Is.Empty);

    // Other tests register families of their own, under other names.
    private static IEnumerable<string> Own() => ModelFamilies.ModelTypes.Where(type =>
        ModelFamilies.Find(type)!.Declare.Method.Module.Assembly == typeof(ModelFamilies).Assembly);

    private static string Table()
    {
        var table = new StringBuilder(
            "| family | `model_type` | tasks | layers that adapters change by default |\n| --- | --- | --- | --- |\n");
        foreach (string type in Own().OrderBy(type => ModelFamilies.Find(type)!.Tasks[0])
            .ThenBy(type => Names[type], StringComparer.OrdinalIgnoreCase))
        {
            var family = ModelFamilies.Find(type)!;
            table.Append($"| {Names[type]} | `{type}` | {string.Join(", ", family.Tasks.Select(Text))} | ")
                .Append($"{string.Join(", ", family.TargetModules.Select(name => $"`{name}`"))} |\n");
        }
        return table.ToString();
    }

    private static string Text(ModelTask task) => task switch
    {
        ModelTask.CausalLm => "causal language modelling",
        ModelTask.Seq2SeqLm => "sequence to sequence",
        ModelTask.MaskedLm => "masked language modelling",
        ModelTask.SequenceClassification => "sequence classification",
        ModelTask.TokenClassification => "token classification",
        ModelTask.QuestionAnswering => "question answering",
        ModelTask.ImageClassification => "image classification",
        ModelTask.Contrastive => "pictures and texts",
        ModelTask.Ctc => "speech recognition (CTC)",
        ModelTask.SpeechToText => "speech to text",
        ModelTask.NoisePrediction => "noise prediction",
        _ => "features",
    };
}
