"""What can be done with the folder of an export alone: TensorFlow is all that this needs.

python consumer.py digits/1
"""

import sys

import tensorflow as tf


def generate(model, number: int = 8, seed: int = 0) -> tf.Tensor:
    """Makes images of a seed: float32 in [0, 1]."""
    return model.generate(number, seed, 1.0)["images"]


def walk(model, steps: int = 8) -> tf.Tensor:
    """Goes straight from one latent to another."""
    start, end = model.draw_latents(2, 1)["latents"]
    share = tf.linspace(0.0, 1.0, steps)[:, None]
    return model.from_latents((1 - share) * start + share * end)["images"]


def translate(model, images: tf.Tensor) -> tf.Tensor:
    """Translates images from domain A to B, both float32 in [0, 1]."""
    return model.a_to_b(images)["images"]


def classify(model, images: tf.Tensor) -> list[str]:
    """Names the likeliest class of each image."""
    return [label.decode() for label in model.classify(images)["labels"].numpy()]


def fine_tune(model, inputs: tf.Tensor, loss_of, steps: int = 20) -> list[float]:
    """Trains the model's own variables; `loss_of` takes what it makes of the inputs.

    training=True would turn on noise, dropout and the statistics of the batch, as the model was
    trained with: for batches as large as those, not for a few images.
    """
    optimizer = tf.keras.optimizers.Adam(1e-3)
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = loss_of(model(inputs, training=False))
            loss += sum(penalty() for penalty in model.regularization_losses)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(float(loss))
    return losses


def main(folder: str) -> None:
    """Does all that the export can."""
    model = tf.saved_model.load(folder)
    if "generate" in model.signatures:
        images = generate(model)
        print("generated", images.shape)
        print("walked", walk(model).shape)
    if "a_to_b" in model.signatures:
        spec = model.signatures["a_to_b"].structured_input_signature[1]["images"]
        images = tf.random.uniform((4, 64, 64, spec.shape[-1]))  # yours, of any size it takes
        print("translated", translate(model, images).shape)
        # To make darker images.
        wanted = translate(model, images) / 2
        losses = fine_tune(model, images, lambda made: tf.reduce_mean((made - wanted) ** 2))
    elif "classify" in model.signatures:
        names = classify(model, images)
        print("classified", *names)
        # To know darker images too: those of before say what is on them.
        wanted = tf.argmax(model.classify(images)["probabilities"], axis=-1)
        losses = fine_tune(
            model,
            images / 2,
            lambda logits: tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)
            ),
        )
    else:
        # To make darker images.
        latents = model.draw_latents(16, 2)["latents"]
        wanted = model(latents) / 2
        losses = fine_tune(model, latents, lambda made: tf.reduce_mean((made - wanted) ** 2))
    print(f"fine-tuned from a loss of {losses[0]:.4g} to {losses[-1]:.4g}")


if __name__ == "__main__":
    main(sys.argv[1])
