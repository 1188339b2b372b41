using System.Runtime.InteropServices;
using PeftCore.Io;
using PeftCore.Peft.Numerics;

namespace PeftCore.Tests.Peft;

public sealed class TorchRandomTests
{
    [Test]
    public void Mersenne_twister_gives_its_published_numbers()
    {
        var random = new TorchRandom(5489);
        uint last = 0;
        for (int i = 0; i < 10000; i++)
        {
            last = random.Next();
        }
        Assert.That(last, Is.EqualTo(4123659995u));
    }

    [Test]
    public void Shuffled_numbers_are_torchs()
    {
        using var source = WeightSource.OpenFile(TestFiles.Fixture("hf", "llama", "shira", "adapter_model.safetensors"));
        int[] stored = MemoryMarshal.Cast<byte, int>(source.Get("base_model.model.model.layers.0.self_attn.v_proj.shira_indices").Bytes)
            .ToArray();
        long[] ours = [.. new TorchRandom(7).Permutation(16 * 32, 96).Order()];
        Assert.That(ours, Is.EqualTo(Enumerable.Range(0, 96).Select(i => 32L * stored[i] + stored[96 + i])));
    }

    [Test]
    public void Uniform_numbers_are_torchs()
    {
        using var source = WeightSource.OpenFile(TestFiles.Fixture("hf", "gpt2", "vera", "adapter_model.safetensors"));
        var random = new TorchRandom(3);
        foreach (var (name, columns) in new[] { ("base_model.vera_A", 32), ("base_model.vera_B", 8) })
        {
            float[] stored = MemoryMarshal.Cast<byte, float>(source.Get(name).Bytes).ToArray();
            float bound = (float)Math.Sqrt(6.0 / columns);
            Assert.That(random.Uniform(stored.Length, -bound, bound), Is.EqualTo(stored).Within(1e-7f), name);
        }
    }
}
