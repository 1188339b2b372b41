using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PeftCore.Extensions.AI;
using PeftCore.Extensions.AI.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers PeftCore's clients and services.</summary>
public static class PeftCoreServiceCollectionExtensions
{
    /// <summary>Adds a model: <see cref="IChatClient"/>, <see cref="PeftCoreChatClient"/> and <see cref="PeftCoreModel"/> as singletons.
    /// The options are checked and the model is loaded when the host starts.
    /// <code>
    /// builder.Services.AddPeftCore(options => options.ModelDirectory = "./TinyLlama")
    ///     .AddAdapter("poems", "./poems-adapter")
    ///     .AddTraining(options => options.OutputDirectory = "./adapters");
    /// </code></summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; null if they are configured elsewhere, as from a configuration section.</param>
    public static PeftCoreBuilder AddPeftCore(this IServiceCollection services, Action<PeftCoreChatOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        AddModelOptions(services, configure);
        services.TryAddSingleton(provider => PeftCoreModel.Load(provider.GetRequiredService<IOptions<PeftCoreChatOptions>>().Value,
            provider.GetService<ILoggerFactory>()));
        services.TryAddSingleton(provider => ServiceFactories.NewChatClient(provider, adapter: null));
        services.TryAddSingleton<IChatClient>(provider => provider.GetRequiredService<PeftCoreChatClient>());
        services.AddSingleton<IHostedService>(provider => new ModelLoading(provider.GetRequiredService<PeftCoreModel>));
        return new PeftCoreBuilder(services);
    }

    /// <summary>Adds an embedding generator with a model of its own: <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> and
    /// <see cref="PeftCoreEmbeddingGenerator"/> as singletons. The options are checked and the model is loaded when the host
    /// starts.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; null if they are configured elsewhere.</param>
    public static IServiceCollection AddPeftCoreEmbeddings(this IServiceCollection services,
        Action<PeftCoreEmbeddingOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        AddModelOptions(services, configure);
        services.TryAddKeyedSingleton(ServiceFactories.EmbeddingModel, (provider, _) => PeftCoreModel.Load(
            provider.GetRequiredService<IOptions<PeftCoreEmbeddingOptions>>().Value, provider.GetService<ILoggerFactory>()));
        services.TryAddSingleton(provider => ServiceFactories.NewEmbeddingGenerator(provider,
            provider.GetRequiredKeyedService<PeftCoreModel>(ServiceFactories.EmbeddingModel),
            provider.GetRequiredService<IOptions<PeftCoreEmbeddingOptions>>().Value));
        services.TryAddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            provider => provider.GetRequiredService<PeftCoreEmbeddingGenerator>());
        services.AddSingleton<IHostedService>(provider => new ModelLoading(
            () => provider.GetRequiredKeyedService<PeftCoreModel>(ServiceFactories.EmbeddingModel)));
        return services;
    }

    private static void AddModelOptions<[DynamicallyAccessedMembers(
        DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TOptions>(IServiceCollection services, Action<TOptions>? configure)
        where TOptions : PeftCoreModelOptions
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<TOptions>, ModelOptionsValidator<TOptions>>());
        var options = services.AddOptions<TOptions>().ValidateOnStart();
        if (configure is not null)
        {
            options.Configure(configure);
        }
        services.TryAddSingleton(provider => provider.GetService<IMeterFactory>() is { } factory ? new Instruments(factory)
            : Instruments.Shared);
    }
}
