using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Generation;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Passes of several threads take turns on a device with one stream, and requests share steps on it.</summary>
[TestFixture("ilgpu-cpu")]
[TestFixture("cuda")]
public sealed class ConcurrentCallTests(string device)
{
    private BatchedModels _models = null!;

    [SetUp]
    public void Open()
    {
        try
        {
            _models = new BatchedModels(transposed: false, adapters: 3, IlgpuDevices.Open(device, new IlgpuOptions(DType.F32)), inner: 96);
        }
        catch (BadInputException e)
        {
            Assert.Ignore(e.Message);
        }
    }

    [TearDown]
    public void Close() => _models?.Dispose();

    [Test]
    public async Task Threads_and_batches_have_the_texts_that_each_request_has_alone()
    {
        var requests = BatchedModels.Requests(6, "0", "1", PeftModel.NoAdapter, "2")
            .ConvertAll(request => request with { Options = request.Options with { MaxNewTokens = 3 } });
        int[][] alone = [.. requests.Select(_models.Alone)];
        int[][] threads = await Task.WhenAll(requests.Select(request => Task.Run(() => _models.Alone(request))));
        Assert.That(threads, Is.EqualTo(alone));
        using var batcher = new ContinuousBatcher(_models.Model, maxRows: 4);
        var texts = await Task.WhenAll(requests.Select(request =>
            batcher.GenerateAsync(request.Prompt, request.Options, request.Adapter)));
        Assert.That(texts.Select(text => text.Tokens), Is.EqualTo(alone));
    }
}
