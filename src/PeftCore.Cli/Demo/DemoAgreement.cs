using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Cli.Demo;

/// <summary>Compares the logits of the adapter in memory, the saved adapter and the merged model.</summary>
internal sealed class DemoAgreement(ModelSession session, IReadOnlyList<(string Prompt, string Completion)> rows)
{
    /// <summary>The largest difference of logits, relative to the largest logit.</summary>
    /// <param name="adapter">Directory of the saved adapter.</param>
    /// <param name="merged">Directory for the merged model.</param>
    public double Measure(string adapter, string merged)
    {
        float[] trained = Logits(session.Model.Base);
        // In F32, so that rounding the merged weights back to the file's bf16 does not affect the comparison.
        var reloaded = new PeftModel(ModelLoader.Load(session.Directory, session.Backend, DType.F32));
        reloaded.Load(adapter);
        double worst = Difference(trained, Logits(reloaded.Base));
        ModelWriter.Save(reloaded.MergeAndUnload(), merged, session.Directory);
        reloaded.Base.Dispose();
        var whole = ModelLoader.Load(merged, session.Backend);
        worst = Math.Max(worst, Difference(trained, Logits(whole)));
        whole.Dispose();
        return worst;
    }

    private float[] Logits(TransformerModel model)
    {
        using var scope = new TensorScope();
        int[] ids = [.. session.Tokenizer.Encode(rows[0].Prompt + rows[0].Completion).Ids];
        return Tape.NoGrad(() => model.Logits(ModelInputs.From(session.Backend, ids, batch: 1))).ToFloats();
    }

    private static double Difference(float[] a, float[] b)
    {
        double worst = 0, largest = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = Math.Abs((double)a[i] - b[i]);
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
            largest = Math.Max(largest, Math.Abs(a[i]));
        }
        return worst / largest;
    }
}
